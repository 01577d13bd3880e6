"""The RPCs of automations, deliveries, destinations, inboxes and notices.

AutomationService, DeliveryService, DestinationService, InboxService, NoticeService and
NoticeSettingsService have a servicer each.
"""
