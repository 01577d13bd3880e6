"""The RPCs of automation_service. Each service of the proto has a module.

AutomationService, DeliveryService, DestinationService, InboxService, NoticeService and
NoticeSettingsService have a servicer each.
"""
