"""The RPCs of AutomationService and NoticeService."""
