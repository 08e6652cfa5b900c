"""What is hidden in an export, and what stays."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.exports import Kind
from analysis.exports.redaction import Redactor


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("Write to ana.b+x@mail.example.co.uk.", ["mail"]),
        ("Pay $4,200 a month, or 400 EUR, or €1.2m, or 2 million dollars.", ["money"] * 4),
        ("IBAN DE89 3704 0044 0532 0130 00 please", ["account"]),
        ("Card 4111 1111 1111 1111, customer 123456789", ["account", "account"]),
        ("Call +43 1 5337822 or (030) 901820 or 555-867-5309", ["phone"] * 3),
        ("Call 030 / 90 18 20, 0171 \u2013 234 56 78, 555\u2011867\u20115309 or 030\\.901820", ["phone"] * 4),
        ("o'brien@example.com, ?to=ana%40example.com, ana\\_@example.com, ana\uff20example.com", ["mail"] * 4),
        ("No day: 2345-67-89 and 2026-11-22-1234", ["phone"] * 2),
        ("On 2026-11-22 09:30, 22.11.2026, 11/22/2026 and 2024-2026", []),
        (
            "(2026-11-22), 22\\.11.2026 \u2013 24.12.2026, 5 - 22.11.2026, (2024-2026), 2024/2025, 09.30 \u2013 10.30",
            [],
        ),
        ("From 10 000 \u2013 20 000 users, plan for FY26 with some cash, EU27 will need more", []),
        ("Option A, risk 3/5, 40% of 1,000 customers in 12 weeks, v2.10.3", []),
        ("Customer \uff15\uff15\uff15\uff18\uff16\uff17\uff15\uff13\uff10\uff19", ["account"]),
    ],
)
def test_mail_and_numbers_are_hidden_and_dates_and_counts_are_not(text: str, kinds: list[str]) -> None:
    redactor = Redactor(Kind)
    marked = redactor.hide(text)
    assert sorted(redactor.counts.elements()) == sorted(kinds)
    assert (marked == text) == (not kinds)
    assert Redactor(Kind).hide(marked) == marked  # a mark is no number


def hidden(text: str) -> str:
    """`text` redacted, its marks without what tells them apart."""
    return re.sub(r"_[0-9a-f]{8}]", "]", Redactor(Kind).hide(text))


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Pay $1.5M now, then $.50.", "Pay [MONEY] now, then [MONEY]."),
        ("It costs 1.5 million dollars, or 5 hundred Swiss francs", "It costs [MONEY], or [MONEY]"),
        ("€2.5k, USD 1.2bn, US$ 5.5m, 1.2m€", "[MONEY], [MONEY], [MONEY], [MONEY]"),
        ("a fee of 1,5 EUR, 10 Mio. EUR or 45,- EUR", "a fee of [MONEY], [MONEY] or [MONEY]"),
        ("45,000 CNY and kr 45000 and Rs. 4,200 and 10 MEUR", "[MONEY] and [MONEY] and [MONEY] and [MONEY]"),
        ("EUR400, 400EUR, 1'234.50 CHF, 1\u00a0234,50\u00a0€", "[MONEY], [MONEY], [MONEY], [MONEY]"),
        ("€1.234.567,89; $4,200/month", "[MONEY]; [MONEY]/month"),
        ("400-500 EUR, 400 to 500 EUR, $1.5M-2M", "[MONEY], [MONEY], [MONEY]"),
        ("$1.5 to 2 million, between 3 and 4 million dollars", "[MONEY], between [MONEY]"),
        ("2000-2050 EUR, 4200 zł, SFr. 4200", "[MONEY], [MONEY], [MONEY]"),
        ("1\\.200 EUR, **4,200** EUR", "[MONEY], **[MONEY]"),
        ("buy 5 $400 chairs, in 2026 EUR 400", "buy [MONEY] chairs, in [MONEY]"),
        ("on 22.11.2026 $400, and 400 EUR 22.11.2026", "on 22.11.2026 [MONEY], and [MONEY] 22.11.2026"),
        ("2 for $400, 3 times", "2 for [MONEY], 3 times"),
        ("400 EUR 0171 2345678", "[MONEY] [PHONE]"),
        ("We try 3 times, PHP 8.2, Ron 3", "We try 3 times, PHP 8.2, Ron 3"),
        ("track 12345678901234567890", "track [ACCOUNT]"),
        ("id 555123456a, x20261122_y", "id [ACCOUNT]a, x[ACCOUNT]_y"),
        ("call 555-123-4567x12 or Tel.0171 234567 or 0171 2345678_", "call [PHONE] or Tel.[PHONE] or [PHONE]_"),
        ("2026-11-22T09:30, 22.11.2026a", "2026-11-22T09:30, 22.11.2026a"),
    ],
)
def test_an_amount_or_a_number_is_hidden_whole_and_what_stands_around_it_stays(text: str, left: str) -> None:
    assert hidden(text) == left


@given(
    whole=st.integers(0, 10**15),
    thousands=st.sampled_from(["", ",", ".", "'", " ", "\u00a0", "\u202f"]),
    fraction=st.from_regex(r"([.,][0-9]{1,6})?", fullmatch=True),
    scale=st.sampled_from(["", "k", "M", " million", "bn", " Mio.", "\u00a0Mrd."]),
    gap=st.sampled_from(["", " ", "  ", "\u00a0"]),
    currency=st.sampled_from(["$", "€", "US$", "₹", "EUR", "usd", "CNY", "kr", "euros"]),
    behind=st.booleans(),
)
def test_no_digit_of_an_amount_is_left(
    whole: int, thousands: str, fraction: str, scale: str, gap: str, currency: str, behind: bool
) -> None:
    amount = f"{whole:,}".replace(",", thousands) + fraction + scale
    gap = gap or " " * (scale[-1:].isalpha() and currency[0].isalpha())
    said = f"{amount}{gap}{currency}" if behind else f"{currency}{gap}{amount}"
    assert not re.search(r"\d", hidden(f"We pay {said} then."))


around = st.text(alphabet="12a_.x-/ $", max_size=9)


@given(around, st.from_regex(r"[0-9]{8,30}", fullmatch=True), around)
def test_no_run_of_eight_digits_is_left_whatever_stands_around_it(before: str, run: str, after: str) -> None:
    assert not re.search(r"\d{8}", hidden(f"{before}{run}{after}"))


def test_the_same_value_gets_the_same_mark_however_it_is_spaced_and_others_another() -> None:
    one, same, other = (Redactor(Kind).hide(text) for text in ("+43 1 5337822", "+43-1-5337822", "+43 1 5337823"))
    assert one == same != other
    assert one.startswith("[PHONE_")
    assert "5337822" not in one


def test_a_decimal_comma_makes_another_value_and_one_between_thousands_does_not() -> None:
    fraction, whole, spaced, grouped = map(Redactor(Kind).hide, ("1,5 EUR", "15 EUR", "1500 EUR", "1,500 EUR"))
    assert fraction != whole
    assert spaced == grouped


def test_another_currency_or_address_makes_another_value() -> None:
    said = ("$400", "\u20ac400", "ana-b@example.com", "anab@example.com")
    assert len({Redactor(Kind).hide(one) for one in said}) == len(said)


def test_a_kind_that_is_kept_stays_and_a_key_never_does() -> None:
    text = "ana@example.com pays 400 EUR with sk-ant-api03-abcdefghijklmnop"
    assert Redactor([Kind.MAIL]).hide(text).endswith("pays 400 EUR with sk-ant-api03-[hidden]")
    assert Redactor([]).hide("ana@example.com pays 400 EUR") == "ana@example.com pays 400 EUR"


@given(st.text(alphabet="a1@.-+ ()€$", max_size=300))
def test_redaction_never_leaves_a_mail_address_and_never_fails(text: str) -> None:
    assert "ana@example.com" not in Redactor(Kind).hide(f"{text} ana@example.com {text}")


@pytest.mark.parametrize(
    "text", ["a" * 100_000, "1 " * 50_000, "a.-" * 40_000 + "@", "EUR" * 30_000, "$1" * 5_000, "1.1," * 30_000]
)
def test_redaction_takes_time_in_proportion_to_the_text(text: str) -> None:
    hidden = Redactor(Kind).hide(f"{text} ana@example.com")  # one that backtracks would not come back
    assert "ana@example.com" not in hidden
