"""The processes of a service: its command line, the group of a replica, and how each ends."""
