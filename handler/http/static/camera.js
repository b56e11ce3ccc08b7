// The camera's dialog: a photograph as a file, null when called off, or an error in plain words.

const REFUSALS = {
  NotAllowedError: "The camera was refused. Allow it in the browser's settings for this site, or choose a file.",
  NotFoundError: "No camera was found. Choose a file instead.",
  NotReadableError: "The camera is in use by another program. Close that, or choose a file.",
};

/** Resolves to a JPEG File, or to null when the dialog was closed without taking one. */
export async function takePhotograph() {
  const stream = await openCamera();
  try {
    return await dialogue(stream);
  } finally {
    stream.getTracks().forEach((track) => track.stop());
  }
}

async function openCamera() {
  if (!navigator.mediaDevices?.getUserMedia) {
    throw new Error("The browser gives a camera to pages on https or localhost only. Choose a file instead.");
  }
  try {
    return await navigator.mediaDevices.getUserMedia({
      video: { facingMode: "user", width: { ideal: 1280 }, height: { ideal: 960 } },
    });
  } catch (refusal) {
    throw new Error(REFUSALS[refusal.name] ?? "The camera could not be opened. Choose a file instead.");
  }
}

async function dialogue(stream) {
  const dialog = document.getElementById("camera");
  const view = document.getElementById("camera-view");
  const take = document.getElementById("camera-take");
  const closed = new Promise((close) => dialog.addEventListener("close", close, { once: true }));
  view.srcObject = stream;
  take.disabled = true;
  dialog.returnValue = "cancel";
  dialog.showModal();
  try {
    // A camera may be slow to wake, and is called off before its first frame then.
    await Promise.race([view.play(), closed]);
    if (dialog.open) {
      take.disabled = false;
      take.focus();
    }
    await closed;
    // The frame is kept when the dialog closes, while the stream still runs.
    return dialog.returnValue === "take" ? await frameOf(view) : null;
  } finally {
    dialog.close();
    view.srcObject = null;
  }
}

async function frameOf(view) {
  const canvas = document.createElement("canvas");
  canvas.width = view.videoWidth;
  canvas.height = view.videoHeight;
  canvas.getContext("2d").drawImage(view, 0, 0);
  const blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.92));
  return new File([blob], "from the camera", { type: "image/jpeg" });
}
