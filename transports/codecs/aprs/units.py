"""What the units of the APRS reference are in ours."""

MAX_LATITUDE = 90  # degrees
MAX_LONGITUDE = 180

KNOT = 1.852  # km/h
MILE = 1.609344  # km
FOOT = 0.3048  # m
MPH = 0.44704  # m/s
KNOT_IN_M_S = KNOT / 3.6
KMH = 1 / 3.6  # m/s
INCH = 25.4  # mm
HUNDREDTH_INCH = 0.254  # mm


def celsius(fahrenheit: float) -> float:
    """Degrees Celsius, to a hundredth."""
    return round((fahrenheit - 32) / 1.8, 2)
