# One image for all roles; the role is the argument:
#   docker run --rm whimbrel:dev services.access --check-config
ARG PYTHON=3.11

FROM python:${PYTHON}-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src

# What a pod needs, in layers of their own: they change less often than the code. Wheels only:
# nothing is compiled, not even here.
RUN python -m venv --without-pip /opt/whimbrel
COPY requirements-pods.txt ./
RUN python -m pip --python /opt/whimbrel/bin/python install --quiet \
      --require-hashes --only-binary :all: -r requirements-pods.txt
COPY requirements-build.txt ./
RUN python -m venv /build \
 && /build/bin/python -m pip install --quiet \
      --require-hashes --only-binary :all: -r requirements-build.txt

COPY pyproject.toml README.md LICENSE ./
COPY tools/build_protos.py tools/
COPY protos protos
COPY bench bench
COPY whimbrel whimbrel
COPY services services
RUN /build/bin/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir /wheels . \
 && python -m pip --python /opt/whimbrel/bin/python install --quiet --no-deps --no-index /wheels/*.whl

FROM python:${PYTHON}-slim-bookworm
# Nothing is installed here any more.
RUN python -m pip uninstall --quiet --yes --root-user-action=ignore pip
COPY --from=build /opt/whimbrel /opt/whimbrel
ENV PATH=/opt/whimbrel/bin:$PATH \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /opt/whimbrel
# A number, so that Kubernetes can see that it is not root.
USER 10001:10001
EXPOSE 7400
# The program is process 1 and gets the signals itself.
ENTRYPOINT ["python", "-m"]
