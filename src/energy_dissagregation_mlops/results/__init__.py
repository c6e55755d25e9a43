"""What a command shows at its end: tables for people, JSON for programs. Each command imports what it shows alone."""
