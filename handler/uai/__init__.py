"""`/service` and the conf file of the UAI example."""
