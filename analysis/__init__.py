"""Programs that analyse finished runs through the public interface of the framework."""
