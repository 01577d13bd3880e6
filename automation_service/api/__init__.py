"""The RPCs of AutomationService, InboxService and NoticeService."""
