from hypothesis import settings

# How long an example takes says something of the machine, not of the codec; bench/ is where speed is measured.
settings.register_profile("codecs", deadline=None)
settings.load_profile("codecs")
