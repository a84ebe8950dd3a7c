# The main job and every command, on a CPU: docker build -t i2pmae . && docker run --rm -v "$PWD/runs:/work/runs" i2pmae pretrain
ARG PYTHON=3.12
FROM python:${PYTHON}-slim
WORKDIR /work
COPY pyproject.toml README.md LICENSE /src/
COPY src /src/src
# PyTorch's own index has builds without CUDA, which are a tenth as large.
RUN pip install --no-cache-dir --extra-index-url https://download.pytorch.org/whl/cpu /src && rm -rf /src
ENTRYPOINT ["i2pmae"]
CMD ["--help"]
