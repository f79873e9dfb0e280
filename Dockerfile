# The app in a container: docker build -t infnet . && docker run --rm -p 127.0.0.1:8501:8501 infnet
FROM python:3.11-slim AS wheel

WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY weights ./weights
COPY infnet ./infnet
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheel .


FROM python:3.11-slim

ENV PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PYTHONPATH=/srv/infnet \
    STREAMLIT_SERVER_ADDRESS=0.0.0.0 \
    STREAMLIT_SERVER_HEADLESS=true \
    STREAMLIT_BROWSER_GATHER_USAGE_STATS=false \
    INFNET_CACHE=/srv/infnet-cache

WORKDIR /srv/infnet

# The dependencies first, in a layer of their own: it holds gigabytes, and stays when only the code changes.
COPY pyproject.toml ./
RUN python -c "import tomllib; project = tomllib.load(open('pyproject.toml', 'rb'))['project']; \
print(*project['dependencies'], *(each for extra in ('app', 'node') for each in project['optional-dependencies'][extra]), sep='\n')" > /tmp/requirements.txt \
    && pip install --no-cache-dir -r /tmp/requirements.txt \
    && rm /tmp/requirements.txt

# The package with its weights, and the command `infnet`. The wheel itself leaves no copy in the image.
RUN --mount=type=bind,from=wheel,source=/wheel,target=/wheel pip install --no-cache-dir --no-deps /wheel/*.whl

COPY .streamlit ./.streamlit
COPY app ./app

RUN useradd --create-home --uid 10001 infnet && install -d -o infnet "$INFNET_CACHE" /srv/node
USER infnet
# OpenVINO's models of the networks, built here so that the first study does not wait for them.
RUN python -c "import infnet; infnet.load_engines()"

EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8501/_stcore/health', timeout=4)"]

CMD ["streamlit", "run", "app/main.py", "--server.port=8501"]
