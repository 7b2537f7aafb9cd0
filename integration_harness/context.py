"""What a scenario is given: bots to start, a taker, a view of the market, and its report.

1. Whatever a scenario starts here is ended by `close`, in whatever way the scenario ended.
2. Prices come from the bot's own reference: a scenario asks the bot what it would quote.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import Any, Final, TypeVar

from integration_harness import checks
from integration_harness.anchor_server import AnchorServer
from integration_harness.api_proxy import ApiProxy
from integration_harness.bench import Before, Bench
from integration_harness.bot_process import BotProcess, Startup
from integration_harness.bot_settings import bot_settings
from integration_harness.ladder import Wanted, ladder_fault, wanted_of
from integration_harness.market_view import FillRow, MarketView, OrderRow
from integration_harness.report import Findings
from integration_harness.stack.up import LocalExchange
from integration_harness.starvation import Starvation
from integration_harness.taker import Nibbler, Taker
from integration_harness.target import Target
from integration_harness.waiting import Limits, wait_until

T = TypeVar("T")

BPS: Final = Decimal(10_000)


class Context:
    """One scenario on one market with so many levels."""

    def __init__(
        self, bench: Bench, target: Target, findings: Findings, *, levels: int, rounds: int
    ) -> None:
        self.quick: Final = bench.quick
        self.target: Final = target
        self.levels: Final = levels
        self.rounds: Final = rounds
        self.limits: Final = bench.limits
        self.findings: Final = findings
        self.random: Final = random.Random(bench.seed)
        self.bots: list[BotProcess] = []
        self.proxies: list[ApiProxy] = []
        self._bench = bench
        self._cleanup = ExitStack()
        self.view: Final = MarketView(target)
        self._cleanup.callback(self.view.close)
        self.taker: Final = Taker(target, self.view, bench.limits)
        self.anchor: AnchorServer | None = None
        self._before: Before | None = None
        self._slots_after: int | None = None
        self._slots_before = 0
        self._state_files: set[Path] = set()

    # Its report

    def phase(self, text: str) -> None:
        """Say what comes now."""
        self.findings.phase(text)

    def verified(self, claim: str) -> None:
        """Keep what was proved."""
        self.findings.verified.append(claim)

    def figure(self, name: str, value: float | int | str) -> None:
        """Keep a number that was measured."""
        self.findings.figures[name] = round(value, 4) if isinstance(value, float) else value

    # Beginning and end

    def begin(self, price: Decimal | None) -> None:
        """Take stock. With a price the bot listens to an anchor of ours, that says this price."""
        if price is not None:
            self.anchor = AnchorServer(price)
            self._cleanup.callback(self.anchor.close)
            self.anchor.start()
        self._before = Before(
            trade_id=self.view.newest_trade_id(),
            bot=checks.holdings(self.view, self.target.bot),
            taker=checks.holdings(self.view, self.target.taker),
            orders=len(self.view.orders(self.target.bot)),
        )
        self.watch_slots()

    @property
    def before(self) -> Before:
        """The market when the scenario began."""
        assert self._before is not None, "the scenario has begun"
        return self._before

    def watch_slots(self) -> None:
        """From here on one live order a slot is required at every moment."""
        live = self.view.live(self.target.bot)
        counts = [sum(order.side == side for order in live) for side in checks.SIDES]
        self._slots_before = max(counts)
        self._slots_after = self.view.newest_event()

    def agrees_with_chain(self) -> None:
        """What the bot has on chain moved by exactly its fills."""
        fills, before = self.bot_fills(), self.before.bot
        checks.check_chain(self.view, "bot", self.target.bot, before, fills, self.limits)

    @property
    def slots_since(self) -> tuple[int | None, int]:
        """The newest event when `watch_slots` was called, and how many orders of a side were live
        then."""
        return self._slots_after, self._slots_before

    def close(self) -> None:
        """End everything that was started."""
        self._cleanup.close()

    def keep(self, close: Callable[[], object]) -> None:
        """Call this at the end, too."""
        self._cleanup.callback(close)

    # The bot

    def settings(self, **settings: str) -> dict[str, str]:
        """The variables a bot of this scenario gets."""
        url = self.anchor.url if self.anchor is not None else None
        chosen = bot_settings(self.target, self.view, levels=self.levels, anchor_url=url)
        return {**chosen, **settings}

    def bot(self, *, state: str = "bot", **settings: str) -> BotProcess:
        """Start a bot; a further one with the same state continues where the last one was."""
        bot = self._process(state, settings)
        self.bots.append(bot)
        return bot.start()

    def ask_what_it_wants(self, **settings: str) -> tuple[Wanted, ...]:
        """The ladder of a dry run: what the bot would quote now, at its own reference."""
        levels = int(settings.get("MM_QUOTE_LEVELS", self.levels))
        return self._ask(
            "a dry run to say what it wants on both sides",
            wanted_of,
            lambda wanted: len(wanted) == 2 * levels,
            settings,
        )

    def ask_reference(self) -> Decimal:
        """The reference price of a dry run."""
        found = self._ask(
            "a dry run to find a reference price (is MM_ANCHOR_SOURCE_TYPE set?)",
            lambda status: status.get("reference", {}).get("price"),
            lambda price: price is not None,
            {},
        )
        return Decimal(str(found))

    def ladder(self, bot: BotProcess, *, without: Iterable[str] = ()) -> tuple[OrderRow, ...]:
        """Wait until exactly the wanted orders are live and the bot is ready; those orders.

        `without` are ids that must have been replaced.
        """
        gone = set(without)

        def look() -> tuple[str, tuple[OrderRow, ...]]:
            ready, reasons = bot.ready()
            rows = self.view.live(self.target.bot)
            if not ready:
                return f"not ready: {', '.join(reasons)}", rows
            left = gone & {row.order_id for row in rows}
            if left:
                return f"not replaced: {sorted(left)}", rows
            return ladder_fault(bot.status(), rows, self.levels, self.target.price_tick), rows

        what = f"{self.levels} live orders a side as the bot wants them"
        return self._until(what, look, lambda seen: not seen[0], bot)[1]

    def startup(self, bot: BotProcess) -> Startup:
        """Wait for what a bot did when it started: its log is written a moment after its orders."""
        found = self._until(
            "its start-up in the log", bot.startup, lambda seen: seen is not None, bot
        )
        assert found is not None, "that was waited for"
        return found

    def cycles(self, bot: BotProcess, count: int) -> None:
        """Wait for so many further cycles of the bot."""
        name = "mm_bot_cycle_duration_seconds_count"
        goal = bot.metrics()[name] + count
        self._until(f"{count} cycles", lambda: bot.metrics()[name], lambda done: done >= goal, bot)

    def halted(self, bot: BotProcess, reason: str, limits: Limits | None = None) -> None:
        """Wait until `/readyz` names a halt reason."""
        self._until(
            f"/readyz to name {reason!r}",
            bot.ready,
            lambda seen: not seen[0] and reason in seen[1],
            bot,
            limits,
        )

    def none_live(self, bot: BotProcess) -> None:
        """Wait until none of the bot's orders is live."""
        self._until(
            "none of the bot's orders to be live",
            lambda: [order.order_id for order in self.view.live(self.target.bot)],
            lambda live: not live,
            bot,
        )

    def _until(
        self,
        what: str,
        look: Callable[[], T],
        accept: Callable[[T], bool],
        bot: BotProcess,
        limits: Limits | None = None,
    ) -> T:
        """The first look that is accepted, while the bot runs. What a loaded machine kept the bot
        or us waiting does not count."""
        machine = Starvation(bot.pid)
        limits = limits or self.limits
        return wait_until(what, look, accept, limits, alive=bot.why_over, starved=machine)

    # The market

    def api_proxy(self) -> ApiProxy:
        """A proxy in front of the API, for this scenario."""
        proxy = ApiProxy(self.target.api_url)
        proxy.start()
        self._cleanup.callback(proxy.close)
        self.proxies.append(proxy)
        return proxy

    def nibbler(self, pause_seconds: float) -> Nibbler:
        """A taker that nibbles while the block runs."""
        seed = self.random.randrange(2**32)
        return Nibbler(self.target, pause_seconds=pause_seconds, seed=seed)

    def bot_fills(self) -> tuple[FillRow, ...]:
        """Every fill of the bot's since the scenario began."""
        return self.view.fills(self.target.bot, self.before.trade_id)

    def move_reference(self, bps: int) -> None:
        """Let the anchor say a price so many basis points from the present one."""
        assert self.anchor is not None, "the scenario is registered with an anchor of its own"
        moved = self.anchor.price * (BPS + bps) / BPS
        self.anchor.price = moved.quantize(Decimal("0.01"), ROUND_HALF_EVEN)

    @property
    def exchange(self) -> LocalExchange:
        """The local exchange, for scenarios that are registered as local only."""
        assert self._bench.exchange is not None, "the scenario is registered as local only"
        return self._bench.exchange

    @property
    def folder(self) -> Path:
        """Where a scenario may write; gone after the run."""
        return self._bench.supervisor.folder

    def _ask(
        self,
        what: str,
        read: Callable[[dict[str, Any]], T],
        accept: Callable[[T], bool],
        settings: dict[str, str],
    ) -> T:
        """Something of a dry run's status."""
        bot = self._process("dry", {**settings, "MM_DRY_RUN": "true"}).start()
        try:
            return wait_until(
                what, lambda: read(bot.status()), accept, self.limits, alive=bot.why_over
            )
        finally:
            bot.stop()

    def _process(self, state: str, settings: dict[str, str]) -> BotProcess:
        name = f"{self.findings.slug}-{next(self._bench.numbers)}"
        chosen = self.settings(**settings)
        bot = BotProcess(self._bench.supervisor, name, chosen, self._state_file(state))
        self._cleanup.callback(bot.close)
        return bot

    def _state_file(self, name: str) -> Path:
        """A file of this scenario's own, which begins without any."""
        given = self.target.bot_environment.get("MM_STATE_FILE")
        base = Path(given).resolve() if given else self.folder / "state.json"
        path = base.with_name(f"{base.name}.{self.findings.slug}.{name}")
        if path not in self._state_files:
            self._state_files.add(path)
            path.unlink(missing_ok=True)
        return path
