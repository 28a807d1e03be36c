"""`transformers:NAME`: the models of transformers, built from a configuration; nothing is downloaded.

NAME is a model type (`bert`, `llama`), a class of model or configuration (`GPT2LMHeadModel`, `BertConfig`), a
`config.json` or a folder with one, or a model in the local cache of the Hugging Face hub. Constructor arguments are
those of the configuration: `transformers:llama(num_hidden_layers=2)`.
"""

from __future__ import annotations

from flopsight.sources import Request, Source, Workload
from flopsight.sources.transformers.configs import configuration, library, names

DOUBT = (
    "Either its configuration does not fit together, as some defaults of transformers do not, or it takes other "
    "inputs: name the config.json of a published model, or give inputs by --input."
)


def build(request: Request) -> Workload:
    """The model, and what its forward takes, of the sizes asked for."""
    from flopsight.sources.transformers.classes import model_class, refuse_without_forward
    from flopsight.sources.transformers.recipes import inputs

    library().logging.set_verbosity_error()
    config, named = configuration(request)
    made = named if named and not request.task else model_class(config, request.task)
    model = request.make(made, config=config)
    refuse_without_forward(model)
    found = inputs(model, request.sizes)
    request.refuse_unused(found.used, has_tasks=True)
    return Workload(model, () if found.complete else None, found.kwargs, request.address, DOUBT)


SOURCE = Source(
    "transformers",
    "transformers:NAME",
    "a model type, class or config.json of transformers",
    build,
    names=names,
    aliases=("hf", "huggingface"),
    often=True,
)
