# The app in a container: docker build -t infnet . && docker run --rm -p 127.0.0.1:8501:8501 infnet
FROM python:3.11-slim

ENV PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    STREAMLIT_SERVER_ADDRESS=0.0.0.0 \
    STREAMLIT_SERVER_HEADLESS=true \
    INFNET_CACHE=/srv/infnet-cache

WORKDIR /srv/infnet

COPY requirements.txt ./
RUN pip install --no-cache-dir -r requirements.txt

COPY .streamlit ./.streamlit
COPY weights ./weights
COPY infnet ./infnet
COPY app ./app
COPY LICENSE README.md ./

RUN useradd --create-home --uid 10001 infnet && install -d -o infnet "$INFNET_CACHE"
USER infnet
# OpenVINO's models of the networks, built here so that the first study does not wait for them.
RUN python -c "import infnet; infnet.load_engines()"

EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8501/_stcore/health', timeout=4)"]

CMD ["streamlit", "run", "app/main.py", "--server.port=8501"]
