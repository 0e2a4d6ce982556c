"""Whose an address is, and which paths tell a provider's API wherever they are.

Tables for `suspicion`: they decide what may not leave the process with `mode="replay"`, never what is
answered. A row of `HOSTS` is a host that is nothing but a model's API; a row of `PATHS` is a path
that nobody else has: it has the API's own ids (`resp_`, `batch_`), or words that are its own. Where
other services have it too (`GET /v1/models` is KServe's as well), it is no row.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from cachesaver.dialects.chat_hosts import CHAT_HOSTS
from cachesaver.dialects.hosts import RESPONSES_HOSTS

__all__ = ["HOSTS", "PATHS", "SHARED", "UNMISTAKABLE", "Telling"]

SHARED = frozenset({"Databricks", "Snowflake"})
"""Names in `CHAT_HOSTS` whose hosts are databases and much else: there only the path tells."""

_OPENAI = "https://platform.openai.com/docs/api-reference/"
_AWS = "https://docs.aws.amazon.com/general/latest/gr/bedrock.html"

HOSTS: Mapping[str, str] = MappingProxyType(
    {
        # pattern for all of the host, lower case: source
        **{row.hosts: row.source for row in CHAT_HOSTS if row.hosts and row.name not in SHARED},
        **RESPONSES_HOSTS,
        r"api\.anthropic\.com": "https://docs.anthropic.com/en/api/overview",
        r"generativelanguage\.googleapis\.com": "https://ai.google.dev/api",
        r"(?:[a-z0-9-]+-)?aiplatform(?:\.[a-z0-9-]+\.rep|\.mtls)?\.googleapis\.com": (
            "https://cloud.google.com/vertex-ai/docs/reference/rest"
        ),
        (
            r"(?:[a-z0-9-]+\.)*bedrock(?:-agent)?(?:-runtime|-mantle)?(?:-fips)?\.[a-z0-9-]+\."
            r"(?:(?:vpce\.)?amazonaws\.(?:com(?:\.cn)?|eu)|api\.aws"
            r"|api\.amazonwebservices\.(?:com\.cn|eu))"
        ): _AWS,
        r"(?:production\.)?api\.cohere\.(?:com|ai)": "https://docs.cohere.com/reference/about",
        r"api-inference\.huggingface\.co": "https://huggingface.co/docs/api-inference",
        r"ollama\.com": "https://docs.ollama.com/cloud",
        r"api\.voyageai\.com": "https://docs.voyageai.com/reference",
        r"ai\.mongodb\.com": "its SDK, voyageai 0.5",
        r"api\.replicate\.com": "https://replicate.com/docs/reference/http",
        r"api\.deepgram\.com": "https://developers.deepgram.com/reference",
        r"api\.(?:[a-z.]+\.)?elevenlabs\.io": "genai-prices 0.2.3, its table of providers",
        r"api\.ai21\.com": "litellm 1.110, get_llm_provider_logic.py",
        r"api\.writer\.com": "https://dev.writer.com/home/introduction",
        r"api\.jina\.ai": "litellm 1.110, its table of prices",
        r"api\.stability\.ai": "litellm 1.110, llms/stability",
        r"[a-z0-9-]+\.ml\.cloud\.ibm\.com": "https://cloud.ibm.com/apidocs/watsonx-ai#endpoint-url",
        r"dashscope(?:-[a-z]+)?\.aliyuncs\.com": (
            "https://help.aliyun.com/zh/model-studio/compatibility-of-openai-with-dashscope"
        ),
        r"api\.minimaxi?\.(?:com|io)": "genai-prices 0.2.3, its table of providers",
        r"api\.(?:arcee|meta|doubleword|typesafe)\.ai": "genai-prices 0.2.3, its table of providers",
        r"api\.avian\.io": "genai-prices 0.2.3, its table of providers",
        (
            r"api\.(?:sambanova\.ai|deepinfra\.com|lambda\.ai|clarifai\.com|cortecs\.ai|edenai\.run"
            r"|endpoints\.anyscale\.com|featherless\.ai|friendli\.ai|galadriel\.ai|inceptionlabs\.ai"
            r"|inference\.wandb\.ai|llama\.com|morphllm\.com|poe\.com|publicai\.co|reka\.ai"
            r"|synthetic\.new|v0\.dev)"
            r"|ai-gateway\.(?:helicone\.ai|vercel\.sh)|inference\.api\.nscale\.com|llm\.chutes\.ai"
            r"|api-inference\.modelscope\.cn|gigachat\.devices\.sberbank\.ru"
        ): "litellm 1.110, constants.py, openai_compatible_endpoints",
        r"inference\.baseten\.co": "genai-prices 0.2.3, its table of providers",
        r"oai\.endpoints\.kepler\.ai\.cloud\.ovh\.net": "genai-prices 0.2.3, its table of providers",
    }
)
"""Hosts where every request, whatever its method and path, is one to a provider."""

UNMISTAKABLE = re.compile(
    r"/chat/completions\Z|/responses/(?:input_tokens|compact)\Z|/messages/count_tokens\Z"
    r"|/openai/deployments/|(?::|%3[Aa])[a-z]+[A-Z][A-Za-z]+\Z|/model/[^/]+/(?:converse|invoke)"
    r"|/(?:fim|agents)/completions\Z"
)
"""Where an endpoint of a dialect is nobody else's; elsewhere the body has to name a model as well."""

_READS = frozenset({"GET", "HEAD"})
_WRITES = frozenset({"POST"})
_ALL = _READS | _WRITES | {"DELETE", "PATCH", "PUT"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """Requests that no dialect answers, and that are a provider's on any host.

    Attributes:
        path: A regular expression for the end of the URL's path.
        source: Where the API is documented.
        methods: Upper case.
        asks: Whether the path alone does not tell: the body has to ask a model too.
    """

    path: str
    source: str
    methods: frozenset[str] = _ALL
    asks: bool = False


PATHS: tuple[Telling, ...] = (
    Telling(path=r"/chat/completions", source=_OPENAI + "chat", methods=_WRITES),
    Telling(path=r"/v1/chat/completions", source=_OPENAI + "chat/list", methods=_READS),
    Telling(path=r"/chat/completions/chatcmpl[^/]*(?:/messages)?", source=_OPENAI + "chat/get"),
    Telling(
        path=r"/responses/resp_[^/]+(?:/(?:input_items|cancel))?", source=_OPENAI + "responses/get"
    ),
    Telling(
        path=r"/v1/responses/(?:input_tokens|compact)",
        source=_OPENAI + "responses",
        methods=_WRITES,
    ),
    Telling(
        path=r"/v1/fine_tuning/jobs(?:/ftjob[-_][^/]+(?:/[a-z]+)?)?",
        source=_OPENAI + "fine-tuning",
    ),
    Telling(
        path=r"/v1/vector_stores(?:/vs_[^/]+(?:/(?:search|files|file_batches)(?:/.*)?)?)?",
        source=_OPENAI + "vector-stores",
    ),
    Telling(path=r"/v1/assistants/asst_[^/]+", source=_OPENAI + "assistants"),
    Telling(path=r"/v1/assistants", source=_OPENAI + "assistants", methods=_WRITES, asks=True),
    Telling(path=r"/v1/realtime", source=_OPENAI + "realtime"),
    Telling(
        path=r"/v1/realtime/(?:(?:transcription_)?sessions|client_secrets|calls(?:/rtc_.*)?)",
        source=_OPENAI + "realtime",
        methods=_WRITES,
    ),
    Telling(path=r"/v1/batches/batch_[^/]+(?:/cancel)?", source=_OPENAI + "batch"),
    Telling(path=r"/v1/batches", source=_OPENAI + "batch", methods=_WRITES, asks=True),
    Telling(
        path=r"/v1/images/(?:generations|edits|variations)",
        source=_OPENAI + "images",
        methods=_WRITES,
    ),
    Telling(
        path=r"/v1/audio/(?:speech|transcriptions|translations)",
        source=_OPENAI + "audio",
        methods=_WRITES,
    ),
    Telling(
        path=r"/v1/messages/batches/msgbatch_[^/]+(?:/(?:results|cancel))?",
        source="https://docs.anthropic.com/en/api/retrieving-message-batches",
    ),
    Telling(
        path=r"/v1/messages/batches",
        source="https://docs.anthropic.com/en/api/creating-message-batches",
        methods=_WRITES,
    ),
    Telling(
        path=r"(?::|%3[Aa])(?:batchGenerateContent|asyncBatchEmbedContent|predictLongRunning)",
        source="https://ai.google.dev/api/batch-api",
        methods=_WRITES,
    ),
    Telling(
        path=r"/v1(?:alpha|beta)\d*/(?:.+/)?(?:cachedContents|fileSearchStores)(?:/.*)?",
        source="https://ai.google.dev/api/caching",
    ),
    Telling(
        path=r"/model/[^/]+/invoke-with-bidirectional-stream",
        source="https://docs.aws.amazon.com/bedrock/latest/APIReference/"
        "API_runtime_InvokeModelWithBidirectionalStream.html",
        methods=_WRITES,
    ),
    Telling(
        path=r"/serving-endpoints/[^/]+/invocations",
        source="https://docs.databricks.com/api/workspace/servingendpoints/query",
        methods=_WRITES,
    ),
)
"""Of `passing.PASSED` only what nobody else has: `/files` or `/collections` are everybody's."""
