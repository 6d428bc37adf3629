"""Days, and times in the admin: to the second and with the zone, so that they can be laid beside
logs."""

DATE_FORMAT = "j F Y"
DATETIME_FORMAT = "j F Y, H:i:s e"
MONTH_DAY_FORMAT = "j F"
