// Pictures from files, the clipboard and the camera, upright and opaque.

const MAX_PIXELS = 40_000_000; // of phones and browsers; larger pictures are reduced
const PREVIEW_PX = 2048;

/**
 * Return { bitmap, preview, width, height, note }: an ImageBitmap, a smaller one for drawing, and
 * what the user should know. Throws an Error with a sentence.
 */
export async function readPicture(blob) {
  const unusable = "This file is not a picture that this browser can read. Try a JPEG or PNG file.";
  if (!blob || !blob.size) throw new Error(unusable);
  let bitmap;
  try {
    bitmap = await createImageBitmap(blob);
  } catch {
    throw new Error(unusable);
  }
  const notes = [];
  const { width: fullWidth, height: fullHeight } = bitmap;
  const scale = Math.min(Math.sqrt(MAX_PIXELS / (fullWidth * fullHeight)), 1);
  if (scale < 1) {
    const full = bitmap;
    bitmap = await resized(full, scale);
    full.close();
    notes.push(`The picture was reduced to ${bitmap.width} x ${bitmap.height} pixels.`);
  }
  const { width, height } = bitmap;
  const small = Math.min(PREVIEW_PX / Math.max(width, height), 1);
  const preview = small < 1 ? await resized(bitmap, small) : bitmap;
  if (isTransparent(preview)) notes.push("Transparent parts of the picture are shown white.");
  return { bitmap, preview, width, height, note: notes.join(" ") };
}

function resized(bitmap, scale) {
  return createImageBitmap(bitmap, {
    resizeWidth: Math.max(Math.round(bitmap.width * scale), 1),
    resizeHeight: Math.max(Math.round(bitmap.height * scale), 1),
    resizeQuality: "high",
  });
}

function canvasOf(width, height) {
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  return canvas.getContext("2d", { willReadFrequently: true });
}

function isTransparent(bitmap) {
  const context = canvasOf(64, 64);
  context.drawImage(bitmap, 0, 0, 64, 64);
  return context.getImageData(0, 0, 64, 64).data.some((value, i) => i % 4 === 3 && value < 255);
}

/** Return the bytes of a bitmap on white, [height, width, 4]. */
export function pixelsOf(bitmap) {
  const { width, height } = bitmap;
  const context = canvasOf(width, height);
  context.fillStyle = "#fff";
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, 0, 0);
  const { data } = context.getImageData(0, 0, width, height);
  Object.assign(context.canvas, { width: 0, height: 0 }); // frees its memory at once
  if (data[3] !== 255) throw new Error("The picture is too large for this browser. Reduce its size first.");
  return data;
}

/** Free the memory of a picture at once. */
export function release({ bitmap, preview }) {
  bitmap.close();
  preview.close();
}

/** Call onFile(file) for pictures that are chosen, dropped or pasted. */
export function listenForFiles({ input, openButton, dropZone }, onFile) {
  openButton.addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    if (input.files[0]) onFile(input.files[0]);
    input.value = "";
  });
  document.addEventListener("paste", ({ clipboardData }) => {
    const file = [...clipboardData.files][0];
    if (file) onFile(file);
  });
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    dropZone.classList.add("over");
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) dropZone.classList.remove("over");
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    dropZone.classList.remove("over");
    if (event.dataTransfer.files[0]) onFile(event.dataTransfer.files[0]);
  });
}

/** Let a button open the camera in a dialog; hide it where there is none. */
export function listenForCamera(openButton, dialog, onFile, onError) {
  const video = dialog.querySelector("video");
  const [take, cancel] = dialog.querySelectorAll("button");
  openButton.hidden = !navigator.mediaDevices?.getUserMedia;
  openButton.addEventListener("click", async () => {
    try {
      const size = { facingMode: "environment", width: { ideal: 1920 }, height: { ideal: 1080 } };
      video.srcObject = await navigator.mediaDevices.getUserMedia({ video: size });
      dialog.showModal();
      await video.play();
    } catch {
      dialog.close();
      onError("The camera cannot be used. Allow it for this page, or open a picture.");
    }
  });
  cancel.addEventListener("click", () => dialog.close());
  take.addEventListener("click", () => {
    const context = canvasOf(video.videoWidth, video.videoHeight);
    context.drawImage(video, 0, 0);
    context.canvas.toBlob((blob) => onFile(blob));
    dialog.close();
  });
  dialog.addEventListener("close", () => {
    for (const track of video.srcObject?.getTracks() ?? []) track.stop();
    video.srcObject = null;
  });
}
