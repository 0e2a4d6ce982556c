"""An evaluation by the LM Evaluation Harness: `python agent.py`."""

import json
import os
from pathlib import Path
from typing import Any

from lm_eval import simple_evaluate

import cachesaver

cachesaver.install()

capitals = {"France": "Paris", "Italy": "Rome", "Norway": "Oslo", "Peru": "Lima"}
rows = [{"question": f"Capital of {land}?", "answer": city} for land, city in capitals.items()]
Path("capitals.jsonl").write_text("\n".join(map(json.dumps, rows)))

task = {
    "task": "capitals",
    "dataset_path": "json",
    "dataset_kwargs": {"data_files": {"test": "capitals.jsonl"}},
    "test_split": "test",
    "output_type": "generate_until",
    "doc_to_text": "{{question}}",
    "doc_to_target": "{{answer}}",
    "generation_kwargs": {"until": ["\n\n"], "temperature": 1.0},
    "repeats": 3,
}
model = {
    "model": "gpt-5-mini",
    "base_url": os.environ["OPENAI_BASE_URL"] + "/chat/completions",
    "num_concurrent": 8,
}


def main() -> None:
    found: Any = simple_evaluate(
        "local-chat-completions",
        model_args=model,
        tasks=[task],
        apply_chat_template=True,
    )
    messages = [
        {"role": "assistant", "text": text, "of": sample["doc"]["question"]}
        for sample in found["samples"]["capitals"]
        for text in sample["resps"][0]
    ]
    print(json.dumps({"messages": messages, "results": found["results"]}))


if __name__ == "__main__":
    main()
