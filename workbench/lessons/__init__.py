"""The course's workshop: lesson sources become notebooks, instructor's notes and pages."""
