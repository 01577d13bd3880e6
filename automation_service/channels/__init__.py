"""Channels: how a message leaves for a mailbox, a chat, a telephone or an endpoint."""
