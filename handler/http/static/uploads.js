// Photographs too large for a request: sent to the function's upload bucket, where it has one.
import { ApiFailure, ask } from "./common.js";

// What S3 tells of a picture's type; a browser knows no HEIC on most systems and names none.
const TYPES = { jpg: "image/jpeg", jpeg: "image/jpeg", png: "image/png", webp: "image/webp", heic: "image/heic", heif: "image/heif" };

let offered = true;

/** Whether the function has an upload bucket, as far as is known. */
export function isOffered() {
  return offered;
}

/**
 * What a request says of `file` once it is in the bucket; null where there is no bucket, or where
 * the function does not take its type.
 */
export async function upload(file) {
  const type = file.type || TYPES[file.name?.split(".").pop().toLowerCase()];
  if (!Object.values(TYPES).includes(type)) return null;
  let answer;
  try {
    answer = await ask("v1/uploads", { count: 1, content_type: type });
  } catch (failure) {
    if (failure.status === 404) offered = false;
    if (failure.status === 404 || failure.code === "UnsupportedFormat") return null;
    throw failure;
  }
  const [{ url, fields, image }] = answer.uploads;
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  form.append("file", file);
  const response = await fetch(url, { method: "POST", body: form }).catch(() => null);
  if (!response?.ok) {
    throw new ApiFailure(response?.status ?? 0, { message: "The photograph could not be uploaded." });
  }
  return image;
}
