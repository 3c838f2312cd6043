"""The same eval as a web application, as users of these frameworks would write it. Compiled for each request."""

import json


def wsgi(environ, start_response):
    """For granian --interface wsgi."""
    ask = json.loads(environ["wsgi.input"].read())
    text = json.dumps({"value": eval(ask["expression"], {}, ask.get("locals") or {})}).encode()
    start_response("200 OK", [("content-type", "application/json"), ("content-length", str(len(text)))])
    return [text]


try:
    from fastapi import FastAPI
    from pydantic import BaseModel

    fastapi = FastAPI()

    class Ask(BaseModel):
        expression: str
        locals: dict = {}

    class Answer(BaseModel):
        value: object

    @fastapi.post("/api/eval")
    async def evaluate(ask: Ask) -> Answer:
        return Answer(value=eval(ask.expression, {}, ask.locals))

    @fastapi.get("/health")
    async def health():
        return {"status": "ok"}

except ImportError:
    pass
