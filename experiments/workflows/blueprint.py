"""Write subgraphs/Diverse Inpaint.json: the steps of template 2 as one node of ComfyUI's library.

PYTHONPATH=tests/support python experiments/workflows/blueprint.py

The front end itself (comfyui-frontend-package, in Chromium) makes it, as "Convert to Subgraph" and
"Publish" do.
"""

import json

import front_end
from diverse_inpainting import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS

NAME = "Diverse Inpaint"
DESCRIPTION = "The steps of the method and the model in one node that can be opened and changed."
INSIDE = [
    *("DI_LoadModel", "DI_EncodeErased", "DI_SampleW", "DI_DiscoverDirection"),
    *("DI_GatedMix", "DI_ApplyEdit", "DI_SkipRefine", "DI_Composite"),
]
SHOWN = [
    ("DI_LoadModel", "model_name"),
    ("DI_SampleW", "seed"),
    ("DI_SampleW", "num_variants"),
    ("DI_DiscoverDirection", "component"),
    ("DI_ApplyEdit", "strength"),
]
"""Widgets of the subgraph's node."""

_MAKE = """async ([workflow, name, description, inside, shown]) => {
  await app.loadGraphData(workflow, true, true, null)
  const graph = app.graph
  const ends = ["DI_ExamplePicture", "SaveImage"]
  for (const node of [...graph.nodes])
    if (![...inside, ...ends].includes(node.type)) graph.remove(node)
  for (const group of [...graph.groups]) graph.remove(group)
  app.canvas.deselectAll()
  for (const node of graph.nodes) if (inside.includes(node.type)) app.canvas.select(node)
  const { subgraph, node } = graph.convertToSubgraph(app.canvas.selectedItems)
  subgraph.name = node.title = name
  for (const [type, widget] of shown) {
    const inner = subgraph.nodes.find((one) => one.type === type)
    const slot = inner.inputs.find((input) => input.name === widget)
    subgraph.addInput(widget, slot.type).connect(slot, inner)
  }
  await new Promise((done) => setTimeout(done, 500))
  // The front end adds an input of its own for a seed.
  for (const input of [...subgraph.inputs]) if (!input.linkIds.length) subgraph.removeInput(input)
  for (const slot of [...node.inputs, ...node.outputs]) {
    slot.link = slot.link === undefined ? undefined : null
    if (slot.links) slot.links = []
  }
  const { nodes, subgraphs } = app.canvas._serializeItems([node])
  nodes[0].id = 1
  nodes[0].pos = [0, 0]
  return {
    revision: 0, last_node_id: 1, last_link_id: 0, nodes, links: [], version: 0.4,
    definitions: { subgraphs }, extra: { BlueprintDescription: description },
  }
}"""


def main() -> None:
    info = front_end.object_info(NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS)
    template = front_end.ROOT / "example_workflows" / "2-step-by-step.json"
    workflow = json.loads(template.read_text(encoding="utf-8"))
    path = front_end.ROOT / "subgraphs" / f"{NAME}.json"
    path.parent.mkdir(exist_ok=True)
    static = front_end.front_ends()[-1]
    with front_end.chromium() as browser, front_end.StandIn(static, info, b"") as server:
        editor = front_end.Editor(browser, server.url, nodes_2=False, stand_in=server)
        made = editor.page.evaluate(_MAKE, [workflow, NAME, DESCRIPTION, INSIDE, SHOWN])
    path.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
    print(path)


if __name__ == "__main__":
    main()
