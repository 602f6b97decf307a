"""Check digits of card numbers (Luhn) and of IBANs (ISO 7064 MOD 97-10)."""


def luhn_holds(digits: str) -> bool:
    """Tell whether the last digit of a card number is its Luhn check digit."""
    total = 0
    for place, character in enumerate(reversed(digits)):
        digit = int(character)
        if place % 2 == 1:
            # A doubled digit of two figures counts as the sum of its figures.
            digit = digit * 2 - 9 if digit > 5 else digit * 2
        total += digit
    return total % 10 == 0


def iban_holds(iban: str) -> bool:
    """Tell whether an IBAN without spaces, in capitals, has the right check digits."""
    rotated = iban[4:] + iban[:4]
    return int("".join(str(int(character, 36)) for character in rotated)) % 97 == 1
