"""Times in the admin: to the second and with the zone, so that they can be laid beside logs."""

DATETIME_FORMAT = "j F Y, H:i:s e"
