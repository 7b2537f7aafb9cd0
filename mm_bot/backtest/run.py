"""One run: the whole bot on one tape, from the first event to the last.

A pure function of tape and experiment: the loop's time is the engine's, and nothing else is read.
At the end the ledger, the sum of the fills and the bot's own totals must say the same.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mm_bot.app.strategy import strategy_of
from mm_bot.backtest.engine import Engine
from mm_bot.backtest.errors import BooksDifferError
from mm_bot.backtest.experiment import Experiment, policy_of
from mm_bot.backtest.ledger import Ledger
from mm_bot.backtest.loop import EngineClock, EngineLoop, Progress
from mm_bot.backtest.path import MidPath, mid_path
from mm_bot.backtest.recorder import Recorder
from mm_bot.backtest.rows import Row, Shown
from mm_bot.backtest.tape import NS_A_MS, Tape
from mm_bot.backtest.venue import EngineVenue
from mm_bot.backtest.weather import WeatheredVenue
from mm_bot.bot import Bot
from mm_bot.core.commands import NewOrder
from mm_bot.core.exact import NO_AMOUNT, NO_SIZE
from mm_bot.core.instrument import Side
from mm_bot.core.memory import Memory
from mm_bot.core.policy import Policy
from mm_bot.core.quoting import Strategy
from mm_bot.core.snapshot import AnchorQuote
from mm_bot.edges import Edges
from mm_bot.ports import Telemetry


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What a run leaves. `whole` is whether it saw the end of the tape."""

    tape: Tape
    experiment: Experiment
    policy: Policy
    poll_ms: int
    ledger: Ledger
    recorder: Recorder
    rows: Mapping[str, Row]
    """Every order that was sent, by its id."""
    path: MidPath
    whole: bool
    ends_ms: int


class _Quiet:
    """The edges that a backtest has no use for: a kill switch nobody makes, a disk that holds."""

    problem: str | None = None

    def __init__(self) -> None:
        self._nonce = 0

    def active(self) -> bool:
        return False

    async def watch(self, on_change: Callable[[bool], None]) -> None:
        """Nothing ever changes."""

    async def save(self, memory: Memory) -> None:
        """It need not survive."""

    async def signing(self, order: NewOrder) -> None:
        """Nor need this."""

    async def take(self, side: Side) -> int:
        self._nonce += 1
        return self._nonce


def run(
    experiment: Experiment,
    tape: Tape,
    *,
    strategy: Callable[[Policy], Strategy] = strategy_of,
    progress: Progress = lambda part: True,
    path: MidPath | None = None,
    policy: tuple[Policy, int] | None = None,
    anchors: Callable[[int], AnchorQuote] | None = None,
    telemetry: Callable[[Recorder], Telemetry] = lambda recorder: recorder,
) -> Run:
    """Trade the tape. `path` where the tape's mid is known already, `policy` (with the poll
    interval in milliseconds) instead of the experiment's variables; `anchors` gives the anchor by
    the time, and what the bot tells goes to the recorder through `telemetry`.

    Raises:
        SettingsError: where the experiment has a fault.
        EngineFaultError: where the engine ends before the tape does.
        BooksDifferError: where the books contradict each other.
    """
    instrument = tape.market.instrument()
    chosen, poll_ms = policy or policy_of(experiment.strategy, instrument)
    position, _, fee_bps = experiment.account.start
    ledger = Ledger(instrument, position, fee_bps)
    engine = Engine(experiment.weather.without_failed_trades(tape), experiment.exchange)
    loop = EngineLoop(engine)
    try:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            one = _One(experiment, tape, chosen, poll_ms, ledger, engine, loop)
            venue, recorder = runner.run(one.live(strategy, progress, anchors, telemetry))
    finally:
        engine.close()
    agree(ledger, recorder, venue.rows)
    return Run(
        tape=tape,
        experiment=experiment,
        policy=chosen,
        poll_ms=poll_ms,
        ledger=ledger,
        recorder=recorder,
        rows=venue.rows,
        path=path or mid_path(tape),
        whole=not loop.market.stop,
        ends_ms=one.ends_ms,
    )


class _Anchor:
    """An outside price that is known for every time."""

    def __init__(self, clock: EngineClock, at: Callable[[int], AnchorQuote]) -> None:
        self._clock, self._at = clock, at

    def latest(self) -> AnchorQuote:
        return self._at(self._clock.now_ms())


class _One:
    """The parts of a run, put together inside of its loop."""

    def __init__(
        self,
        experiment: Experiment,
        tape: Tape,
        policy: Policy,
        poll_ms: int,
        ledger: Ledger,
        engine: Engine,
        loop: EngineLoop,
    ) -> None:
        self._experiment, self._tape, self._policy = experiment, tape, policy
        self._poll_ms, self._ledger, self._engine, self._loop = poll_ms, ledger, engine, loop
        self.ends_ms = 0

    async def live(
        self,
        strategy: Callable[[Policy], Strategy],
        progress: Progress,
        anchors: Callable[[int], AnchorQuote] | None,
        telemetry: Callable[[Recorder], Telemetry],
    ) -> tuple[EngineVenue, Recorder]:
        stop = asyncio.Event()
        clock = EngineClock(self._loop)

        def over() -> None:
            self.ends_ms = self._engine.now_ns // NS_A_MS
            stop.set()

        venue = self._venue(clock, over)
        self._loop.market.hear(venue, progress, self._tape.ends_ns)
        recorder = Recorder(venue, clock, self._experiment.uptime.bps)
        quiet = _Quiet()
        edges = Edges(
            venue=venue,
            anchor=None if anchors is None else _Anchor(clock, anchors),
            external=None,
            kill_switch=quiet,
            nonces=quiet,
            store=quiet,
            telemetry=telemetry(recorder),
            clock=clock,
        )
        bot = Bot(
            edges,
            self._policy,
            Memory(started_ms=clock.now_ms()),
            strategy(self._policy),
            poll_interval_ms=self._poll_ms,
        )
        await bot.run(stop)
        return venue, recorder

    def _venue(self, clock: EngineClock, over: Callable[[], None]) -> EngineVenue:
        account, weather = self._experiment.account, self._experiment.weather
        shown = Shown(
            levels=1 if self._tape.generated else account.book_levels,
            reach_ticks=account.book_reach_ticks,
        )
        parts, quote = (self._engine, clock, self._ledger), account.start[1]
        if weather.calm:
            return EngineVenue(*parts, quote=quote, shown=shown, on_end=over)
        outages = weather.outages(self._tape)
        return WeatheredVenue(
            *parts, quote=quote, shown=shown, on_end=over, weather=weather, outages=outages
        )


def agree(ledger: Ledger, recorder: Recorder, rows: Mapping[str, Row]) -> None:
    """The ledger is the sum of its fills, these are what the orders say is filled of them, and the
    bot counted exactly those it was shown.

    Raises:
        BooksDifferError: with what does not agree.
    """
    filled: Counter[str] = Counter()
    position, cash = ledger.start, NO_AMOUNT
    seen_position, seen_cash, seen = NO_SIZE, NO_AMOUNT, 0
    for fill in ledger.fills:
        buys = fill.side is Side.BUY
        signed, worth = (fill.size, fill.notional) if buys else (-fill.size, -fill.notional)
        position, cash = position + signed, cash - worth - fill.fee
        filled[fill.order_id] += int(fill.size.value / ledger.instrument.size_step.value)
        if fill.trade_id <= recorder.counted:
            seen_position, seen_cash, seen = (
                seen_position + signed,
                seen_cash - worth - fill.fee,
                seen + 1,
            )
    by_orders = {order_id: row.filled for order_id, row in rows.items() if row.filled}
    if by_orders != filled or any(row.filled > row.lots for row in rows.values()):
        raise BooksDifferError(f"the orders say {by_orders} is filled, the fills {dict(filled)}")
    totals = recorder.totals
    told = (totals.position, totals.cash, totals.buys + totals.sells)
    if (position, cash) != (ledger.position, ledger.cash):
        raise BooksDifferError(f"the fills sum to {position}, the ledger has {ledger.position}")
    if told != (seen_position, seen_cash, seen):
        raise BooksDifferError(
            f"the bot counted {told[2]} fills, position {told[0]}, cash {told[1]}; it was shown "
            f"{seen} fills, {seen_position}, {seen_cash}"
        )
