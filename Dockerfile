# Two images from one file: `litert` (the default, no TensorFlow in it) and `tensorflow`.
#   docker build --target litert .            docker build --target tensorflow .
# Without --target BuildKit makes `litert`; builders without it make TensorFlow's stages as well.
# No USER line: Lambda picks its own user, and `sam local invoke` has to move a file as root.
# Pin the base by digest with --build-arg BASE=debian@sha256:... ; docs/deploy.md says how.
ARG BASE=debian:bookworm-slim

# ---------------------------------------------------------------- base of both images
FROM ${BASE} AS base
ARG SOURCE_DATE_EPOCH=1735689600
COPY image/settle.sh /usr/local/bin/settle
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3.11 \
 && settle /

# ---------------------------------------------------------------- packages, built separately
FROM base AS builder
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3.11-venv \
 && rm -rf /var/lib/apt/lists/*
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_INPUT=1 PIP_ROOT_USER_ACTION=ignore
RUN python3.11 -m venv /opt/pip && python3.11 -m venv --without-pip /opt/venv

FROM builder AS packages-heic
ARG SOURCE_DATE_EPOCH=1735689600
# `on` adds the decoder of HEIC, which the setting FACENET_HEIC then may use: docs/heic.md.
ARG HEIC=off
COPY requirements/heic.txt /tmp/heic.txt
RUN mkdir /opt/heic \
 && if [ "$HEIC" = on ]; then \
      /opt/pip/bin/pip install --quiet --target /opt/heic --no-compile \
        --no-deps --only-binary :all: --require-hashes -r /tmp/heic.txt; \
    fi \
 && settle /opt/heic

FROM builder AS packages-litert
ARG SOURCE_DATE_EPOCH=1735689600
# `no` skips trimming, to measure its gain: bench/cold_start.
ARG TRIM=yes
COPY requirements/run.txt /tmp/lock.txt
RUN /opt/pip/bin/pip --python /opt/venv/bin/python install --quiet --no-compile \
      --no-deps --only-binary :all: --require-hashes -r /tmp/lock.txt
COPY image/trim.py /tmp/
RUN if [ "$TRIM" = yes ]; then \
      python3.11 /tmp/trim.py /opt/venv/lib/python3.11/site-packages; \
    fi \
 && settle /opt/venv

# ---------------------------------------------------------------- our own code
FROM base AS code
ARG SOURCE_DATE_EPOCH=1735689600
COPY handler /var/task/handler
COPY align /var/task/align
COPY model_layer /var/task/model_layer
COPY LICENSE NOTICE /var/task/
RUN settle /var/task

FROM base AS runtime
ENV PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin \
    LAMBDA_TASK_ROOT=/var/task \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONNOUSERSITE=1 \
    PYTHONUNBUFFERED=1 \
    OPENBLAS_NUM_THREADS=1
WORKDIR /var/task
ENTRYPOINT ["/opt/venv/bin/python", "-m", "awslambdaric"]
CMD ["handler.app.lambda_handler"]

# ---------------------------------------------------------------- the two targets
# TensorFlow's stages come last: builders without BuildKit make every stage up to the target.
FROM runtime AS litert
COPY --from=packages-litert /opt/venv /opt/venv
COPY --from=packages-heic /opt/heic /opt/venv/lib/python3.11/site-packages
COPY --from=code /var/task /var/task

FROM builder AS packages-tensorflow
ARG SOURCE_DATE_EPOCH=1735689600
COPY requirements/tensorflow.txt /tmp/lock.txt
RUN /opt/pip/bin/pip --python /opt/venv/bin/python install --quiet --no-compile \
      --no-deps --only-binary :all: --require-hashes -r /tmp/lock.txt
COPY image/trim.py /tmp/
RUN python3.11 /tmp/trim.py /opt/venv/lib/python3.11/site-packages \
 && settle /opt/venv

FROM runtime AS tensorflow
ENV FACENET_ENGINE=tensorflow TF_CPP_MIN_LOG_LEVEL=2
COPY --from=packages-tensorflow /opt/venv /opt/venv
COPY --from=packages-heic /opt/heic /opt/venv/lib/python3.11/site-packages
COPY --from=code /var/task /var/task

# The default target of `docker build .`.
FROM litert AS default
