# The studio in a container, on a CPU:
#     docker build -t zplus .
#     docker run --rm -v zplus:/cache zplus zplus pull all          # once; `zplus models` shows the licences
#     docker run --rm -p 127.0.0.1:7860:7860 -v zplus:/cache zplus
# It prints an address with a token; the host in it is localhost. -e ZPLUS_TOKEN=... sets a token of your own.
FROM python:3.12-slim

RUN useradd --create-home --uid 1000 user && install -d -o user /cache
WORKDIR /app
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY examples/astronaut.png examples/
COPY src src
RUN pip install --no-cache-dir --extra-index-url https://download.pytorch.org/whl/cpu -c constraints.txt '.[studio]'

USER 1000
ENV ZPLUS_CACHE=/cache FORWARDED_ALLOW_IPS=* PYTHONUNBUFFERED=1
# Models to have in the image, such as "all"; by default there are only those that come with zplus.
ARG PULL=""
RUN test -z "$PULL" || zplus pull $PULL
VOLUME /cache
EXPOSE 7860
CMD ["sh", "-c", "[ -n \"$ZPLUS_TOKEN\" ] || set -- --token ''; exec zplus studio --host 0.0.0.0 --port 7860 --no-open \"$@\""]
