//! Chat with a local LLM through llama.cpp.
