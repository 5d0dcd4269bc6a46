import subprocess
import sys

import pytest

from edge import __version__, cli, registry


def test_help_lists_every_command(capsys):
    assert cli.main(["--help"]) == cli.OK
    shown = capsys.readouterr().out
    assert all(f"  {name} " in shown for name in cli.COMMANDS)


def test_no_command_shows_the_list_and_is_not_understood(capsys):
    assert cli.main([]) == cli.USAGE
    assert "usage: edge" in capsys.readouterr().out


def test_the_version_is_the_packages_own(capsys):
    assert cli.main(["--version"]) == cli.OK
    assert capsys.readouterr().out == f"edge {__version__}\n"


def test_a_misspelt_command_is_told_what_was_meant(capsys):
    assert cli.main(["statsu"]) == cli.USAGE
    assert "no command 'statsu'; did you mean status?" in capsys.readouterr().err


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_each_command_can_be_imported_and_has_help(name, capsys):
    main = registry.import_string(cli.COMMANDS[name].path)
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    assert f"edge {name}" in capsys.readouterr().out


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_each_command_refuses_an_unknown_option_with_exit_code_2(name, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main([name, "--no-such-option"])
    assert ended.value.code == cli.USAGE
    assert f"usage: edge {name}" in capsys.readouterr().err


def test_listing_the_commands_imports_neither_django_nor_a_transport():
    code = (
        "import sys, edge.cli; edge.cli.usage();"
        "print([name for name in ('django', 'serial', 'aiomqtt', 'uvicorn', 'transports') if name in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True).stdout
    assert shown == "[]\n"
