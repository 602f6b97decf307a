"""Orders: agents pay for improvements, which are made, judged, published, deployed and settled."""

from devops_agent.candidates import CandidateSearch
from devops_agent.domain import (
    Deployment,
    Order,
    OrderMoney,
    OrderRequest,
    OrderState,
    OrderTerms,
    Outcome,
)
from devops_agent.durable import DurableWork
from devops_agent.metering import OrderMetering
from devops_agent.model_calls import OrderModels
from devops_agent.orders import CANDIDATE_SYNTHESIZER, Orders, Submission
from devops_agent.progress import OrderRecord, order_topic
from devops_agent.publication import Publication
from devops_agent.settlement import Settlement
from devops_agent.synthesis import (
    LanguageSynthesizer,
    PromptSearchSynthesizer,
    RepairSynthesizer,
    Synthesizer,
)
from devops_agent.validation import Validation
from devops_agent.work import MeteredWork
from devops_agent.workflow import WORKFLOW, OrderWorkflow

__all__ = [
    "CANDIDATE_SYNTHESIZER",
    "WORKFLOW",
    "CandidateSearch",
    "Deployment",
    "DurableWork",
    "LanguageSynthesizer",
    "MeteredWork",
    "Order",
    "OrderMetering",
    "OrderModels",
    "OrderMoney",
    "OrderRecord",
    "OrderRequest",
    "OrderState",
    "OrderTerms",
    "OrderWorkflow",
    "Orders",
    "Outcome",
    "PromptSearchSynthesizer",
    "Publication",
    "RepairSynthesizer",
    "Settlement",
    "Submission",
    "Synthesizer",
    "Validation",
    "order_topic",
]
