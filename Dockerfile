# The inbox for Cloud Run or any other container host. One image, three uses:
#   service     the command below
#   worker      python manage.py deliver
#   job         python manage.py migrate --no-input     before a new version takes traffic
# It writes nothing below /app, so the file system may be read-only.
FROM python:3.13-slim

ENV PORT=8080 \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1

WORKDIR /app

COPY requirements.txt ./
RUN pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.txt

COPY manage.py ./
COPY approvals/ approvals/
COPY config/ config/
COPY countersign/ countersign/
COPY locale/ locale/
COPY static/ static/
COPY templates/ templates/
COPY workflows/ workflows/
RUN SECRET_KEY=only-for-the-build python manage.py collectstatic --no-input --verbosity 0 \
    && python -m compileall -q approvals config workflows

USER 10001:10001
EXPOSE 8080

# gunicorn listens on 0.0.0.0:$PORT by itself. With SIGTERM to process 1, the exec form matters.
CMD ["gunicorn", "-c", "config/gunicorn.py"]
