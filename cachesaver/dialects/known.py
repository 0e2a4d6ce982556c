"""The dialects that we know ourselves, in the order they are tried."""

from __future__ import annotations

from cachesaver.dialects.anthropic_complete import AnthropicComplete
from cachesaver.dialects.anthropic_count import AnthropicCount
from cachesaver.dialects.anthropic_messages import AnthropicMessages, CompatibleMessages
from cachesaver.dialects.bedrock_converse import Converse, ConverseApart
from cachesaver.dialects.bedrock_invoke import InvokeClaude, InvokeEmbedding, InvokeOther
from cachesaver.dialects.bedrock_tokens import CountTokens
from cachesaver.dialects.chat_hosts import PARTICULAR
from cachesaver.dialects.cohere_chat import CohereChat
from cachesaver.dialects.cohere_chat_v1 import CohereChatV1
from cachesaver.dialects.cohere_embed import CohereEmbed, CohereEmbedV1
from cachesaver.dialects.cohere_tokens import CohereTokens
from cachesaver.dialects.gemini import Gemini
from cachesaver.dialects.gemini_count import GeminiCount
from cachesaver.dialects.gemini_embed import GeminiEmbed, VertexEmbed
from cachesaver.dialects.gemini_interactions import GeminiInteractions
from cachesaver.dialects.generic import Generic
from cachesaver.dialects.mistral_agents import MistralAgents
from cachesaver.dialects.mistral_fim import MistralFim
from cachesaver.dialects.mistral_ocr import MistralOcr
from cachesaver.dialects.ollama import OllamaChat, OllamaGenerate
from cachesaver.dialects.ollama_embed import OllamaEmbed, OllamaEmbeddings
from cachesaver.dialects.openai_audio import (
    CompatibleSpeech,
    CompatibleTranscriptions,
    OpenAISpeech,
    OpenAITranscriptions,
)
from cachesaver.dialects.openai_chat import (
    CompatibleChat,
    OpenAIChat,
)
from cachesaver.dialects.openai_completions import CompatibleCompletions, OpenAICompletions
from cachesaver.dialects.openai_embeddings import (
    CompatibleEmbeddings,
    OpenAIEmbeddings,
    VoyageEmbeddings,
)
from cachesaver.dialects.openai_images import (
    CompatibleImages,
    OneImage,
    OneOpenAIImage,
    OpenAIImages,
)
from cachesaver.dialects.openai_input_tokens import CompatibleInputTokens, OpenAIInputTokens
from cachesaver.dialects.openai_moderations import CompatibleModerations, OpenAIModerations
from cachesaver.dialects.openai_responses import (
    CompatibleResponses,
    OpenAIResponses,
    OpenAITemplate,
)
from cachesaver.dialects.rerank import CohereRerank, Rerank, TeiRerank
from cachesaver.dialects.tgi import (
    HuggingFaceDetails,
    HuggingFaceGenerate,
    TgiDetails,
    TgiGenerate,
)
from cachesaver.dialects.vllm import LocalTokens, VllmScore
from cachesaver.ports import Dialect

__all__ = ["DIALECTS", "NAMED"]

DIALECTS: tuple[Dialect, ...] = (
    OpenAIChat(),
    *map(CompatibleChat, PARTICULAR),
    CompatibleChat(),
    OpenAIResponses(),
    OpenAITemplate(),
    CompatibleResponses(),
    OpenAICompletions(),
    CompatibleCompletions(),
    OpenAIInputTokens(),
    CompatibleInputTokens(),
    OpenAIEmbeddings(),
    VoyageEmbeddings(),
    CompatibleEmbeddings(),
    CompatibleModerations(),
    OpenAIModerations(),
    OpenAIImages(),
    OneOpenAIImage(),
    CompatibleImages(),
    OneImage(),
    OpenAITranscriptions(),
    CompatibleTranscriptions(),
    OpenAISpeech(),
    CompatibleSpeech(),
    MistralFim(),
    MistralAgents(),
    MistralOcr(),
    MistralOcr(annotated=True),
    AnthropicCount(),
    AnthropicMessages(),
    CompatibleMessages(),
    AnthropicComplete(),
    Gemini(),
    GeminiCount(),
    GeminiEmbed(),
    VertexEmbed(),
    GeminiInteractions(),
    *(
        kind(signed=signed)  # at home, and wherever a request is signed for it
        for kind in (
            Converse,
            ConverseApart,
            InvokeClaude,
            InvokeEmbedding,
            InvokeOther,
            CountTokens,
        )
        for signed in (False, True)
    ),
    CohereChat(),
    CohereChat(by_sdk=True),
    CohereChatV1(),
    CohereChatV1(by_sdk=True),
    CohereEmbed(),
    CohereEmbed(by_sdk=True),
    CohereEmbedV1(),
    CohereEmbedV1(by_sdk=True),
    CohereTokens(),
    CohereTokens(by_sdk=True),
    Rerank(),
    CohereRerank(),
    TeiRerank(),
    *(
        ollama(anywhere=anywhere)
        for anywhere in (False, True)
        for ollama in (OllamaChat, OllamaGenerate, OllamaEmbed, OllamaEmbeddings)
    ),
    TgiDetails(),
    TgiGenerate(),
    HuggingFaceDetails(),
    HuggingFaceGenerate(),
    LocalTokens(),
    VllmScore(),
)
"""Ours, in the order they are tried. Several instances may carry one name: they read the same format
and differ in what their hosts document."""

NAMED: Dialect = Generic()
"""What a host that the user named speaks, where it is none of those."""
