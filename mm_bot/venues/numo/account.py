"""What a subaccount holds at one block, and the program that asks for it in one call.

The program is creation code that nothing deploys: it makes the contract calls and puts the number
and the time of the block it runs in in front of the answer (see `chain.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from mm_bot.core.exact import Amount, Size
from mm_bot.core.instrument import Instrument
from mm_bot.core.snapshot import Balances
from mm_bot.errors import EdgeError
from mm_bot.fields.keccak import keccak_256
from mm_bot.venues.numo import units
from mm_bot.venues.signing import WORD_BYTES, address_bytes, address_word, uint_word

NODE: Final = "node"
_BALANCE_WORDS: Final = 3
_HEAD_BYTES: Final = 8
_CALL_BYTES: Final = 59
_TAIL_BYTES: Final = 15
"""Lengths of the parts of `at_block_program`."""

Call = tuple[str, bytes]
"""A contract and its calldata."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetBalance:
    asset: str
    """Lower case."""
    sub_id: int
    balance: int
    """Chain integer, signed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountBalances:
    """Everything a subaccount holds at one block; zero balances are left out."""

    block_number: int
    block_time_s: int
    entries: tuple[AssetBalance, ...]
    filled: tuple[int, ...] = ()
    """What `FilledCounts` asked for, in its order: chain integers."""

    def of(self, asset: str, sub_id: int) -> int:
        """One balance; zero where it is left out."""
        found = (e.balance for e in self.entries if (e.asset, e.sub_id) == (asset, sub_id))
        return next(found, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class FilledCounts:
    """`TradeModule.filled(owner, nonce)` of these nonces, wanted at the balances' block."""

    trade: str
    owner: str
    nonces: tuple[int, ...]

    @property
    def calls(self) -> tuple[Call, ...]:
        return tuple([_filled_call(self.trade, self.owner, nonce) for nonce in self.nonces])


@lru_cache(maxsize=256)  # an order is asked about in every cycle of its life
def _filled_call(trade: str, owner: str, nonce: int) -> Call:
    words = address_word(owner) + uint_word(nonce)
    return trade, calldata("filled(address,uint256)", words)


def calldata(function: str, words: bytes = b"") -> bytes:
    """The selector of `name(types)` followed by its packed words."""
    return _selector(function) + words


@lru_cache(maxsize=64)  # the same few in every cycle
def _selector(function: str) -> bytes:
    return keccak_256(function.encode())[:4]


def at_block_program(to: str, call: bytes, words: Sequence[Call] = ()) -> bytes:
    """Creation code that returns block number, block time, the first word that each of `words`
    answers, and the whole answer of `to`; it reverts with what a call reverted with."""
    calls = (*words, (to, call))
    code = _program_code(tuple((address, len(data)) for address, data in calls))
    return code + b"".join([data for _, data in calls])


@lru_cache(maxsize=64)  # as many kinds as there are numbers of orders asked about
def _program_code(calls: tuple[tuple[str, int], ...]) -> bytes:
    """The code alone, of calls to these contracts with so many bytes of calldata each."""
    words = len(calls) - 1
    scratch = (2 + words) * WORD_BYTES  # memory[:scratch] is the answer, a call goes behind it
    data_at = len(calls) * _CALL_BYTES + _HEAD_BYTES + _TAIL_BYTES
    code = bytes.fromhex("43 6000 52 42 6020 52")  # memory[0] = number, memory[32] = timestamp
    for index, (address, size) in enumerate(calls):
        kept_at = (2 + index) * WORD_BYTES
        kept = WORD_BYTES if index < words else 0
        success_at = len(code) + _CALL_BYTES - 1
        code += bytes.fromhex(
            f"61{size:04x} 61{data_at:04x} 61{scratch:04x} 39"  # the call, which follows the code
            f"60{kept:02x} 61{kept_at:04x} 61{size:04x} 61{scratch:04x}"
            f"73{address_bytes(address).hex()} 5a fa"  # staticcall, all gas
            f"61{success_at:04x} 57 3d 6000 6000 3e 3d 6000 fd 5b"  # where it failed, revert
        )
        data_at += size
    code += bytes.fromhex(f"3d 6000 61{scratch:04x} 3e")  # the last answer goes behind the words
    code += bytes.fromhex(f"3d 61{scratch:04x} 01 6000 f3")
    assert len(code) == len(calls) * _CALL_BYTES + _HEAD_BYTES + _TAIL_BYTES, len(code)
    return code


def decode_balances(answer: bytes, words: int = 0) -> AccountBalances:
    """What `at_block_program` brings back of `getAccountBalances`, behind so many words."""
    head = (2 + words) * WORD_BYTES
    filled = tuple(int.from_bytes(word(answer, 2 + i), "big") for i in range(words))
    answer = answer[: 2 * WORD_BYTES] + answer[head:]
    number, time_s, offset = (int.from_bytes(word(answer, i), "big") for i in range(3))
    if offset != WORD_BYTES:
        raise EdgeError(NODE, f"balances start at {offset}, not {WORD_BYTES}")
    count = int.from_bytes(word(answer, 3), "big")
    if len(answer) != (4 + count * _BALANCE_WORDS) * WORD_BYTES:
        raise EdgeError(NODE, f"{len(answer)} bytes do not hold {count} balances")
    firsts = range(4, 4 + count * _BALANCE_WORDS, _BALANCE_WORDS)
    entries = tuple(
        AssetBalance(
            asset="0x" + word(answer, i)[-20:].hex(),
            sub_id=int.from_bytes(word(answer, i + 1), "big"),
            balance=int.from_bytes(word(answer, i + 2), "big", signed=True),
        )
        for i in firsts
    )
    return AccountBalances(block_number=number, block_time_s=time_s, entries=entries, filled=filled)


def market_balances(
    account: AccountBalances, market: Instrument, cash: str, counted: Sequence[str] = ()
) -> Balances:
    """The two balances that trade in `market`; `cash` is the trade module's quote asset, `counted`
    names the orders of `account.filled`."""
    cash_balance = units.from_chain(account.of(cash, 0))
    here = units.ref(market)
    traded = units.from_chain(account.of(here.asset, here.sub_id))
    base, quote = (cash_balance, traded) if market.is_spot else (traded, cash_balance)
    return Balances(
        base=Size(base),
        quote=Amount(quote),
        block_number=account.block_number,
        block_time_ms=account.block_time_s * 1000,
        settled={
            order_id: units.whole_steps(market, amount)
            for order_id, amount in zip(counted, account.filled, strict=True)
        },
    )


def word(answer: bytes, index: int) -> bytes:
    """The 32 bytes at that place. Raises EdgeError where the answer is shorter."""
    found = answer[index * WORD_BYTES : (index + 1) * WORD_BYTES]
    if len(found) != WORD_BYTES:
        raise EdgeError(NODE, f"an answer of {len(answer)} bytes has no word {index}")
    return found
