# Lifeline's image. `docker build -t lifeline .`; what it needs beside it: docs/deploy.md.

FROM python:3.11.13-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /opt/lifeline
RUN python -m venv /opt/venv
COPY requirements.lock ./
RUN /opt/venv/bin/python -m pip install --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY compiled compiled
COPY domain domain
COPY ingest ingest
COPY analytics analytics
COPY alerting alerting
COPY storage storage
COPY api api
COPY service service
COPY simulators simulators
COPY config config
RUN /opt/venv/bin/python -m pip install --no-deps --no-build-isolation --no-index --editable .
# The judgement is compiled here, for any processor of the architecture, so that a read-only
# container starts at once (docs/decisions/0032-…). A cache is valid for the time stamps of the
# sources; images are carried in archives that keep whole seconds.
ENV NUMBA_CPU_NAME=generic
RUN find /opt/lifeline -type f -exec touch --date=@1700000000 {} + \
 && /opt/venv/bin/lifeline warm \
 && /opt/venv/bin/python -m compileall -q /opt/lifeline /opt/venv/lib

FROM python:3.11.13-slim-bookworm
RUN groupadd --system --gid 10001 lifeline \
 && useradd --system --uid 10001 --gid 10001 --home-dir /var/lib/lifeline --shell /usr/sbin/nologin lifeline \
 && install -d -o 10001 -g 10001 -m 0750 /var/lib/lifeline
COPY --from=build /opt/venv /opt/venv
COPY --from=build /opt/lifeline /opt/lifeline
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    NUMBA_CPU_NAME=generic \
    LIFELINE_HTTP_LISTEN=0.0.0.0:8080 \
    LIFELINE_DATA_DIR=/var/lib/lifeline
WORKDIR /opt/lifeline
USER 10001:10001
EXPOSE 8080
STOPSIGNAL SIGTERM
# A start may have to judge hours of the journal again: it is not ill meanwhile.
HEALTHCHECK --interval=15s --timeout=10s --start-period=15m --retries=3 \
  CMD ["python", "-m", "service.health"]
ENTRYPOINT ["lifeline"]
CMD ["serve"]
