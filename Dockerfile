# Everything in one image, for clusters:   docker build -t css .
#   docker run --gpus all --ipc host -v DATA:/data -v "$PWD:/work" css python /css/run.py --data_root /data ...
# PyTorch's default build for Linux is the one with CUDA; the driver is the host's. Under Apptainer: scripts/slurm/README.md.
# Runs write into the folder where they start, /work; `pretrained/` is mounted at /css/pretrained.
FROM python:3.12-slim
COPY requirements.txt /css/
RUN pip install --no-cache-dir -r /css/requirements.txt
COPY . /css
ENV PYTHONPATH=/css PYTHONUNBUFFERED=1
WORKDIR /work
