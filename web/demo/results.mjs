// What leaves the page: a file, the clipboard, a link.

const KEPT_MS = 60_000; // for the browser to save a file

export async function savePicture(app) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await app.png());
  link.download = `${(app.example ?? "picture").replaceAll(" ", "-")}-${app.selected}.png`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), KEPT_MS);
  app.say("The picture is in your downloads. It carries its codes, for Load Codes in ComfyUI.");
}

export async function copyPicture(app) {
  try {
    await navigator.clipboard.write([new ClipboardItem({ "image/png": app.png() })]);
    app.say("The picture is on the clipboard.");
  } catch {
    app.say("This browser does not let the page copy pictures. Download it instead.", true);
  }
}

export async function copyLink(app) {
  const own = app.example ? "" : " The picture is not in it: send it along.";
  try {
    await navigator.clipboard.writeText(location.href);
    app.say(`The link is on the clipboard.${own}`);
  } catch {
    app.say(`Copy the link from the address bar.${own}`);
  }
}
