"""The pages, one module for each subject: request → what the person sees or does → template. No rules here."""
