"""Amazon Rekognition's protocol onto faces/ and search/. Imported by the first call, where on."""
