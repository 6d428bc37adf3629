"""As in English, to the second and with the zone; all else is as Django has it."""

DATE_FORMAT = "j. F Y"
DATETIME_FORMAT = r"j. F Y, H:i:s \U\h\r e"
MONTH_DAY_FORMAT = "j. F"
