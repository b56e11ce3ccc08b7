"""The only package that calls S3: reads pictures, writes results, classifies failures.

Requests read by `reader` and get an ApiError; batches use `store` and get one of the exceptions in
`faults`. `uploads` takes callers' large pictures, `prefix` is what collections are kept in.
"""
