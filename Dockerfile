FROM python:3.13.9-slim-bookworm AS build
WORKDIR /app
COPY requirements/base.txt requirements/base.txt
RUN python -m venv /venv \
    && /venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements/base.txt
COPY . .
# Settings insist on a complete environment in production; none of these values reaches the image or a server.
RUN ENVIRONMENT=production \
    SECRET_KEY=only-to-collect-static-files-while-the-image-is-built-0123456789 \
    EMM_ENCRYPTION_KEY=only-to-collect-static-files-while-the-image-is-built \
    ALLOWED_HOSTS=localhost PUBLIC_URL=https://localhost \
    DATABASE_URL=postgres://localhost/none REDIS_URL=redis://localhost/0 \
    /venv/bin/python manage.py collectstatic --no-input --verbosity 0 \
    && /venv/bin/python -m compileall -q analysis emm notion_sync ops main.py manage.py

FROM python:3.13.9-slim-bookworm
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin emm
COPY --from=build /venv /venv
COPY --from=build /app /app
WORKDIR /app
USER 10001
EXPOSE 8000
# Only the web service has a port to ask: for worker and beat, switch it off (their heartbeats show in /health).
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s CMD ["python", "scripts/healthcheck.py"]
CMD ["scripts/web.sh"]
