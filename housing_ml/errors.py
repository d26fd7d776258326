"""What all errors of this package have in common that a person can mend."""


class HousingError(Exception):
    """Its message says what is wrong and what to do; a command shows it without a stack trace."""
