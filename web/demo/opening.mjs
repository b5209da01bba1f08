// Opening pictures: files, examples, the clipboard, the camera, and what a link names.

import { $ } from "./controls.mjs";
import { listenForCamera, listenForFiles, pixelsOf, readPicture, release } from "./pictures.mjs";
import { fromHash } from "./share.mjs";

/** Calls app.setPicture(...); of two pictures that are opened at once, the later one stays. */
export class Opening {
  constructor(app) {
    this.app = app;
    this.opened = 0;
    this.pending = null; // what a link says of a picture that it waits for
    const onFile = (file) => this.openFile(file);
    listenForFiles({ input: $("file"), openButton: $("open"), dropZone: $("stage") }, onFile);
    listenForCamera($("camera"), $("shutter"), onFile, (text) => app.say(text, true));
    $("examples").replaceChildren(...app.page.examples.map((example) => this.button(example)));
    window.addEventListener("hashchange", () => this.openAddress());
  }

  button({ name, file }) {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", title: name });
    button.append(Object.assign(document.createElement("img"), { src: file, alt: name }));
    button.addEventListener("click", () => this.openExample(name));
    return button;
  }

  async open(blob, example = null, said = {}) {
    const turn = ++this.opened;
    try {
      const picture = await readPicture(blob);
      if (turn !== this.opened) return release(picture);
      const rgba = pixelsOf(picture.bitmap);
      this.pending = null;
      this.app.hint = "";
      this.app.setPicture(picture, rgba, example, said);
    } catch (error) {
      if (turn === this.opened) this.app.say(error.message, true);
    }
  }

  openFile(blob) {
    return this.open(blob, null, this.pending ?? {});
  }

  async openExample(name, said = {}) {
    const { examples } = this.app.page;
    const example = examples.find((each) => each.name === name) ?? examples[0];
    const turn = ++this.opened;
    try {
      const response = await fetch(example.file);
      const blob = await response.blob();
      if (turn === this.opened) await this.open(blob, example.name, said);
    } catch {
      if (turn !== this.opened) return;
      this.app.say("The example could not be loaded. Check the connection, or open a picture of your own.", true);
    }
  }

  /** Show what the address says; a link to somebody's own picture waits for that picture. */
  async openAddress() {
    const { app } = this;
    const said = fromHash(location.hash, app.slots.length);
    const isOwn = said.strokes && !said.example;
    await this.openExample(said.example ?? "", isOwn ? {} : said);
    if (!isOwn || (app.picture && !app.example)) return; // or the picture is there already
    this.pending = said;
    app.hint = "This link needs its picture. Open it, and its mask and answers appear.";
    app.say(app.hint);
  }
}
