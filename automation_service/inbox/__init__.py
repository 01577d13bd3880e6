"""Inboxes: what reached each member of a workspace, read or unread."""
