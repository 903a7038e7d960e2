"""What follows from a classified video: bouts, time budgets, pictures, reports, other formats."""
