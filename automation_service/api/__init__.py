"""The RPCs of AutomationService, DestinationService, InboxService and NoticeService."""
