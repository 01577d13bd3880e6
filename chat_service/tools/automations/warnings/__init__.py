"""What a person may not expect of a draft, in a sentence each."""
