"""Runs scenarios one after the other, each between an empty market and an empty market.

1. A scenario that fails does not stop the others; whatever happens, its bots are ended and the
   orders of both accounts are cancelled before anything else.
2. An interrupt ends the run after that same cleaning, and cannot interrupt the cleaning itself.
"""

from __future__ import annotations

import random
import shutil
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from typing import Final

from integration_harness import isolation
from integration_harness.bench import Bench
from integration_harness.bot_settings import order_size
from integration_harness.context import Context
from integration_harness.finish import compare
from integration_harness.foreign import env_target
from integration_harness.market_view import MarketView
from integration_harness.registry import KINDS, Scenario, Variant
from integration_harness.report import Findings
from integration_harness.settings import Options
from integration_harness.stack.supervisor import StartError, Supervisor
from integration_harness.stack.up import ExchangeOptions, LocalExchange
from integration_harness.target import RefusedError, Target, local_target
from integration_harness.waiting import CheckError, Limits

_CLEAN_SECONDS: Final = 30.0
_CLEAN_POLL_SECONDS: Final = 0.02


class Runner:
    """One run over one stack; a context manager, since it may own a local exchange."""

    def __init__(self, options: Options, environment: dict[str, str]) -> None:
        self._options = options
        self._environment = environment
        self._cleanup = ExitStack()
        self._exchange: LocalExchange | None = None
        self._foreign: Target | None = None
        self._foreign_price: Decimal | None = None

    def __enter__(self) -> Runner:
        options = self._options
        print(f"           seed {options.seed}", file=sys.stderr, flush=True)
        with self._cleanup:
            if options.stack == "env":
                self._foreign = env_target(self._environment)
                self._check_foreign(self._foreign)
            else:
                # Any price will do, so it is never the same one.
                cents = random.Random(options.seed).randrange(140_000, 180_000)
                chosen = ExchangeOptions(price=Decimal(cents) / 100)
                self._exchange = self._cleanup.enter_context(
                    LocalExchange(chosen, progress=_tell_stack)
                )
            supervisor = self._cleanup.enter_context(Supervisor("mm-bot-integration-"))
            self._bench = Bench(
                supervisor=supervisor,
                limits=options.limits,
                exchange=self._exchange,
                seed=options.seed,
                quick=options.quick,
            )
            self._cleanup = self._cleanup.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._cleanup.close()

    def variants(self, scenario: Scenario, turn: int) -> tuple[Variant, ...]:
        """Where to run it: everywhere, or in a quick run in one place that alternates."""
        options = self._options
        kinds = options.kinds or KINDS
        if self._foreign is not None:
            kinds = ("spot",) if self._foreign.instrument.is_spot else ("future",)
        fitting = [kind for kind in scenario.kinds if kind in kinds]
        depths = options.levels or scenario.levels
        if options.quick and fitting:
            fitting = [fitting[turn % len(fitting)]]
            depths = (depths[turn // 2 % len(depths)],)
        return tuple(Variant(kind=kind, levels=levels) for kind in fitting for levels in depths)

    def run(self, scenario: Scenario, variant: Variant) -> Findings:
        """One scenario in one place.

        Raises:
            RefusedError: where a foreign stack is not fit for scenarios at all.
        """
        target = self._target(variant)
        findings = Findings(
            scenario=scenario.name, market=target.instrument.symbol, levels=variant.levels
        )
        try:
            if scenario.local_only and self._exchange is None:
                raise RefusedError(
                    f"{scenario.name} stops and freezes parts of the exchange: run it with "
                    "--stack local"
                )
            self._run(scenario, variant, target, findings)
            findings.end()
        except RefusedError as error:
            findings.end(str(error))
            if self._foreign is not None and not scenario.local_only:
                raise  # the stack is not fit for any of them
        except (CheckError, StartError) as error:
            findings.end(str(error))
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            findings.end(f"{type(error).__name__}: {error}")
        return findings

    def _run(
        self, scenario: Scenario, variant: Variant, target: Target, findings: Findings
    ) -> None:
        options = self._options
        rounds = scenario.rounds.quick if options.quick else scenario.rounds.full
        rounds *= options.rounds
        context = Context(self._bench, target, findings, levels=variant.levels, rounds=rounds)
        try:
            self._prepare(context)
            context.begin(self._anchor_price(context, scenario))
            scenario.run(context)
            compare(context)
        except Exception:
            _show_bots(context)
            raise
        finally:
            with _uninterrupted():
                _record_startup(context)
                self._keep_logs(context)
                clean(context)

    def _prepare(self, context: Context) -> None:
        context.phase(f"clearing {context.target.instrument.symbol}")
        isolation.clear(context.view, context.limits)
        isolation.check_isolated(context.view)

    def _anchor_price(self, context: Context, scenario: Scenario) -> Decimal | None:
        """What an anchor of ours says; None where the bot keeps the one it was given."""
        if self._exchange is not None:
            shift = context.random.randrange(-200, 200)
            price = self._exchange.options.price * (10_000 + shift) / 10_000
            return price.quantize(Decimal("0.01"))
        if not context.target.has_anchor:
            raise RefusedError(
                "the bot has no anchor, and an isolated market has no price of its own: set "
                "MM_ANCHOR_SOURCE_TYPE (such as `fixed` with MM_ANCHOR_FIXED_PRICE)"
            )
        if self._foreign_price is None:
            context.phase("asking the bot for its reference price")
            self._foreign_price = context.ask_reference()
        size = order_size(context.target)
        isolation.check_funded(context.view, self._foreign_price, size, context.levels)
        return self._foreign_price if scenario.own_anchor else None

    def _target(self, variant: Variant) -> Target:
        if self._foreign is not None:
            return self._foreign
        exchange = self._exchange
        assert exchange is not None
        return local_target(
            exchange, exchange.spot if variant.kind == "spot" else exchange.futures[0]
        )

    def _check_foreign(self, target: Target) -> None:
        view = MarketView(target)
        try:
            isolation.check_identity(view)
            isolation.clear(view, self._options.limits)
            isolation.check_isolated(view)
        finally:
            view.close()

    def _keep_logs(self, context: Context) -> None:
        folder = self._options.logs
        if folder is None:
            return
        folder.mkdir(parents=True, exist_ok=True)
        for bot in context.bots:
            if bot.log_path is not None:
                shutil.copy(bot.log_path, folder / bot.log_path.name)


def clean(context: Context) -> None:
    """End what runs, undo what was done to the stack, and leave the market empty."""
    for bot in context.bots:
        bot.kill()
    context.close()
    view = MarketView(context.target)
    try:
        limits = Limits(timeout_seconds=_CLEAN_SECONDS, poll_seconds=_CLEAN_POLL_SECONDS)
        count = isolation.clear(view, limits)
    finally:
        view.close()
    context.phase(f"the market is empty ({count} orders cancelled)")


def run_all(options: Options, scenarios: Sequence[Scenario], runner: Runner) -> Iterator[Findings]:
    """Every scenario in every place, one after the other."""
    for turn, scenario in enumerate(scenarios):
        variants = runner.variants(scenario, turn)
        if options.everything and scenario.local_only and options.stack == "env":
            variants = ()
        if not variants:
            print(f"           {scenario.name}: not for this stack, skipped", file=sys.stderr)
        for variant in variants:
            yield runner.run(scenario, variant)


def _record_startup(context: Context) -> None:
    findings = context.findings
    for bot in context.bots:
        startup = bot.startup()
        if startup is not None:
            findings.adopted_bid_order_id = next(iter(startup.adopted_bids), None)
            findings.adopted_ask_order_id = next(iter(startup.adopted_asks), None)
            findings.adopted_order_ids = startup.adopted
            findings.canceled_order_ids = tuple(startup.canceled)
            findings.rejection_reasons = dict(startup.canceled)


def _show_bots(context: Context) -> None:
    for bot in context.bots[-2:]:
        print(f"--- last lines of {bot.name}\n{bot.log_tail()}", file=sys.stderr, flush=True)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """An interrupt that arrives inside waits until the end."""
    arrived: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {n: signal.signal(n, lambda number, _: arrived.append(number)) for n in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if arrived:
        raise KeyboardInterrupt


def _tell_stack(phase: str, seconds: float) -> None:
    print(f"{seconds:7.2f} s  local exchange: {phase}", file=sys.stderr, flush=True)
