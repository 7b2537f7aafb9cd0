# One market maker (and, with `--entrypoint fair-anchor`, one fair-value service) a container. It
# runs as nobody in particular on a read-only root; /var/lib/mm-bot is all that it writes to.
FROM python:3.11.13-slim-bookworm AS build

WORKDIR /src
COPY requirements-run.lock requirements-build.lock ./
RUN python -m venv --without-pip /opt/mm-bot \
    && python -m pip --python /opt/mm-bot/bin/python install \
        --no-deps --only-binary :all: --require-hashes -r requirements-run.lock
RUN python -m venv --without-pip /opt/build \
    && python -m pip --python /opt/build/bin/python install \
        --no-deps --only-binary :all: --require-hashes -r requirements-build.lock
COPY pyproject.toml README.md ./
COPY deployments deployments
COPY fair_anchor fair_anchor
COPY mm_bot mm_bot
RUN python -m pip --python /opt/build/bin/python wheel \
        --no-deps --no-build-isolation --wheel-dir /opt/wheels . \
    && python -m pip --python /opt/mm-bot/bin/python install \
        --no-deps --no-index /opt/wheels/*.whl \
    && rm /opt/mm-bot/bin/mm-bot-integration /opt/mm-bot/bin/mm-backtest \
    && python -m pip --python /opt/mm-bot/bin/python check \
    && mkdir -p /opt/state

FROM python:3.11.13-slim-bookworm

COPY --from=build /opt/mm-bot /opt/mm-bot
COPY --from=build --chown=10001:10001 /opt/state /var/lib/mm-bot
# What starts would otherwise compile anew each time, the standard library's modules included.
RUN /opt/mm-bot/bin/python -P -m mm_bot.generated_code
ENV PATH=/opt/mm-bot/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    MM_METRICS_ADDR=:8080 \
    MM_STATE_FILE=/var/lib/mm-bot/state.json
WORKDIR /var/lib/mm-bot
VOLUME ["/var/lib/mm-bot"]
EXPOSE 8080
USER 10001:10001
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s \
    CMD ["python", "-c", \
         "from urllib.request import urlopen as o; o('http://127.0.0.1:8080/healthz', timeout=3)"]
ENTRYPOINT ["mm-bot"]
