"""Programs and helpers that look at trained networks through the public interface of the framework."""
