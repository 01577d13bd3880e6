"""Cards of approvals and of questions on the page."""
